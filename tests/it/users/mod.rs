//! Users and ids in real images: programs that change their user, files of other ids, accounts of host and image.

mod change;
