/*
 * The program of the image hello-world: prints what just happened. It uses no C library, so that the whole image is a
 * few kilobytes: two system calls are all it needs.
 */
#if defined(__x86_64__)
static long call(long number, long a, long b, long c)
{
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}
enum { WRITE = 1, EXIT = 231 };
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
enum { WRITE = 64, EXIT = 94 };
#else
#error "hello.c knows x86-64 and arm64"
#endif

static const char text[] =
    "\n"
    "Hello from a container that Gantry has lifted!\n"
    "\n"
    "If you can read this, every part of the engine works. What happened just now:\n"
    "\n"
    " 1. The command line sent your request to the Gantry daemon, over its socket.\n"
    " 2. The daemon found the image \"hello-world\" in its store (or pulled it from a\n"
    "    registry) and gave the new container a root file system on top of it.\n"
    " 3. It wrote a launch plan: namespaces, mounts, limits, capabilities, system call\n"
    "    filter. A small native launcher carried it out and started this program.\n"
    " 4. The program's output went straight to you; when it ends, its exit status does too.\n"
    "\n"
    "Something bigger to try, once an image is there (pull, load or import one):\n"
    "\n"
    "    gantry run -it debian bash\n"
    "\n";

__attribute__((noreturn, used)) void _start(void)
{
	long left = (long)sizeof text - 1;
	const char *at = text;
	while (left > 0) {
		long written = call(WRITE, 1, (long)at, left);
		if (written <= 0)
			call(EXIT, 1, 0, 0);
		at += written;
		left -= written;
	}
	call(EXIT, 0, 0, 0);
	__builtin_unreachable();
}
