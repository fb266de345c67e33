// Prints "ARCH NUMBER NAME" for every system call that the installed libseccomp knows. Built by generate.ts.
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

static void print(const char *label, uint32_t arch, int first, int last) {
  for (int number = first; number <= last; number++) {
    char *name = seccomp_syscall_resolve_num_arch(arch, number);
    if (name) printf("%s %d %s\n", label, number, name);
    free(name);
  }
}

int main(void) {
  print("x86-64", SCMP_ARCH_X86_64, 0, 1023);
  print("i386", SCMP_ARCH_X86, 0, 1023);
  print("x32", SCMP_ARCH_X32, 0x40000000, 0x40000000 + 1023);
  print("aarch64", SCMP_ARCH_AARCH64, 0, 1023);
  print("arm", SCMP_ARCH_ARM, 0, 1023);
  print("arm", SCMP_ARCH_ARM, 0xf0000, 0xf00ff);
}
