/** What `work` throws, as text; undefined when it does not. */
export function messageIn(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
