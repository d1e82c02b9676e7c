// libstdc++ linked statically asks glibc 2.32 for this; older ones do not have it. 0 = "there may
// be threads": always right, only a little slower.
extern "C" {
extern char __libc_single_threaded;
char __libc_single_threaded = 0;
}
