/** The reason to skip a test that needs root, or false. */
export const rootOnly: string | false = process.getuid?.() === 0 ? false : 'needs root';
