// driver: stands for each of a driver's libraries; cuInit answers with the number that it was built with.
int cuInit(unsigned flags) { return (int)flags + ANSWER; }
