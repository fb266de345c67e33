// When each step of a launch began, for a daemon that wants to tell: behind the plan, in the plan's own memory file.
#include "shim.h"

#include <sys/mman.h>

// The order in the file: the request's arrival, the steps of `prepare`, the clone, the steps of `parent`, their end, the steps of
// `child`, and the program's start.
struct launch_trace trace_begin(const struct request *request) {
  struct launch_trace trace = {0};
  if (!(request->stdio & REQUEST_TRACED)) return trace;
  trace.count = request->prepare.count + request->parent.count + request->child.count + 4;
  // A child that is born of the child writes here, too.
  trace.at = mmap(NULL, trace.count * sizeof *trace.at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (trace.at == MAP_FAILED) return (struct launch_trace){0};
  trace.at[0] = step_clock();
  trace.prepare = trace.at + 1;
  trace.clone = trace.prepare + request->prepare.count;
  trace.parent = trace.clone + 1;
  trace.parent_end = trace.parent + request->parent.count;
  trace.child = trace.parent_end + 1;
  return trace;
}

void trace_end(struct launch_trace *trace, int fd, size_t offset) {
  if (!trace->at) return;
  trace->at[trace->count - 1] = step_clock();
  // A daemon that finds nothing there says so.
  (void)!pwrite(fd, trace->at, trace->count * sizeof *trace->at, (off_t)offset);
  munmap(trace->at, trace->count * sizeof *trace->at);
  *trace = (struct launch_trace){0};
}
