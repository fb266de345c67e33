const TRUE = /^(?:1|[tT]|true|TRUE|True)$/;
const FALSE = /^(?:0|[fF]|false|FALSE|False)$/;

/** What Go's strconv.ParseBool makes of `text`; undefined when it is no boolean. */
export function goBoolean(text: string): boolean | undefined {
  return TRUE.test(text) ? true : FALSE.test(text) ? false : undefined;
}
