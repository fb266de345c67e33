/** The beginning of a text, with an ellipsis where something is left out; `width` in characters. */
export function ellipsis(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}
