// client: shows a directory as one client of a file server sees it; two of them make two hosts of one.
//
//   client SOURCE MOUNT_POINT SECONDS MICROSECONDS
//
// Names, absent names and attributes are believed for SECONDS, as NFS does, so that what another client has changed shows
// late; each call waits MICROSECONDS. As with NFS, opening a file asks the server, there are no extended attributes, and
// flags of renameat2(2) are refused. Run by root, it makes everything as the user who asks. Ends when unmounted, and with its parent.
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int source;
static double seconds;
static useconds_t delay;

#define ANSWER(call) return (call) < 0 ? -errno : 0

// What a call is about, relative to the source; the calling thread works as the user who asks.
static const char *asked(const char *path) {
    usleep(delay);
    setfsgid(fuse_get_context()->gid);
    setfsuid(fuse_get_context()->uid);
    return path[1] ? path + 1 : ".";
}

static int get_attributes(const char *path, struct stat *facts, struct fuse_file_info *file) {
    (void)file;
    ANSWER(fstatat(source, asked(path), facts, AT_SYMLINK_NOFOLLOW));
}
static int read_link(const char *path, char *target, size_t size) {
    ssize_t length = readlinkat(source, asked(path), target, size - 1);
    if (length < 0) return -errno;
    target[length] = 0;
    return 0;
}
static int make_node(const char *path, mode_t mode, dev_t device) { ANSWER(mknodat(source, asked(path), mode, device)); }
static int make_directory(const char *path, mode_t mode) { ANSWER(mkdirat(source, asked(path), mode)); }
static int remove_file(const char *path) { ANSWER(unlinkat(source, asked(path), 0)); }
static int remove_directory(const char *path) { ANSWER(unlinkat(source, asked(path), AT_REMOVEDIR)); }
static int make_symlink(const char *target, const char *path) { ANSWER(symlinkat(target, source, asked(path))); }
static int rename_to(const char *from, const char *to, unsigned flags) {
    if (flags) return -EINVAL;
    ANSWER(renameat(source, asked(from), source, to + 1));
}
static int link_to(const char *from, const char *to) { ANSWER(linkat(source, asked(from), source, to + 1, 0)); }
static int change_mode(const char *path, mode_t mode, struct fuse_file_info *file) {
    (void)file;
    ANSWER(fchmodat(source, asked(path), mode, 0));
}
static int change_owner(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *file) {
    (void)file;
    ANSWER(fchownat(source, asked(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}
static int change_times(const char *path, const struct timespec times[2], struct fuse_file_info *file) {
    (void)file;
    ANSWER(utimensat(source, asked(path), times, AT_SYMLINK_NOFOLLOW));
}
static int cut(const char *path, off_t size, struct fuse_file_info *file) {
    (void)path;
    if (!file) return -EOPNOTSUPP;
    ANSWER(ftruncate(file->fh, size));
}
static int open_as(const char *path, int flags, mode_t mode, struct fuse_file_info *file) {
    int opened = openat(source, asked(path), flags | O_NOFOLLOW | O_CLOEXEC, mode);
    if (opened < 0) return -errno;
    file->fh = opened;
    return 0;
}
// The kernel sees to O_APPEND, and has looked whether O_EXCL holds by what it believes: the server has the last word.
static int open_file(const char *path, struct fuse_file_info *file) { return open_as(path, file->flags & ~O_APPEND, 0, file); }
static int create_file(const char *path, mode_t mode, struct fuse_file_info *file) {
    return open_as(path, (file->flags & ~O_APPEND) | O_CREAT, mode, file);
}
static int read_bytes(const char *path, char *bytes, size_t size, off_t at, struct fuse_file_info *file) {
    (void)path;
    ssize_t count = pread(file->fh, bytes, size, at);
    return count < 0 ? -errno : count;
}
static int write_bytes(const char *path, const char *bytes, size_t size, off_t at, struct fuse_file_info *file) {
    (void)path;
    ssize_t count = pwrite(file->fh, bytes, size, at);
    return count < 0 ? -errno : count;
}
static int flush(const char *path, int data_only, struct fuse_file_info *file) {
    (void)path, (void)data_only;
    ANSWER(fsync(file->fh));
}
static int release(const char *path, struct fuse_file_info *file) {
    (void)path;
    ANSWER(close(file->fh));
}
static int list(const char *path, void *buffer, fuse_fill_dir_t fill, off_t at, struct fuse_file_info *file,
                enum fuse_readdir_flags flags) {
    (void)at, (void)file, (void)flags;
    int opened = openat(source, asked(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = opened < 0 ? NULL : fdopendir(opened);
    if (!directory) return -errno;
    for (struct dirent *entry; (entry = readdir(directory));) fill(buffer, entry->d_name, NULL, 0, 0);
    closedir(directory);
    return 0;
}
static int facts_of(const char *path, struct statvfs *facts) {
    (void)path;
    ANSWER(fstatvfs(source, facts));
}
static void *begin(struct fuse_conn_info *connection, struct fuse_config *settings) {
    (void)connection;
    settings->entry_timeout = settings->negative_timeout = settings->attr_timeout = seconds;
    settings->use_ino = 1;
    settings->hard_remove = 1;
    umask(0);
    return NULL;
}

static const struct fuse_operations operations = {
    .getattr = get_attributes, .readlink = read_link, .mknod = make_node, .mkdir = make_directory, .unlink = remove_file,
    .rmdir = remove_directory, .symlink = make_symlink, .rename = rename_to, .link = link_to, .chmod = change_mode,
    .chown = change_owner, .utimens = change_times, .truncate = cut, .open = open_file, .create = create_file,
    .read = read_bytes, .write = write_bytes, .fsync = flush, .release = release, .readdir = list, .statfs = facts_of,
    .init = begin,
};

int main(int argc, char **argv) {
    if (argc != 5 || (source = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) return 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    seconds = atof(argv[3]);
    delay = atol(argv[4]);
    char *words[] = {argv[0], "-f", "-o", "allow_other,default_permissions", argv[2], NULL};
    return fuse_main(5, words, &operations, NULL);
}
