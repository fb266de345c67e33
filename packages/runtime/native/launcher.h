#pragma once
// The daemon's child: forks shims, and helpers for host plans. Ends when its control stream ends.
int launcher_main(int control) __attribute__((noreturn));
// Runs argv as the only child of a container's pid 1: reaps, forwards signals, ends as the child ends.
int init_main(int argc, char **argv) __attribute__((noreturn));
// Changes what ps shows, in the room of the program's own arguments.
void set_title(const char *title);
