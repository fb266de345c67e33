/** A reference in a path: its slashes and colons stay as they are. */
export const referencePath = (ref: string): string =>
  ref.split('/').map(encodeURIComponent).join('/').replaceAll('%3A', ':').replaceAll('%40', '@');
