import { main } from './program.ts';

// Set by the front door for this process alone: what a command passes on (`-e NAME`) is the user's own.
delete process.env.NODE_COMPILE_CACHE;

// Writes to files, pipes and terminals are synchronous on Linux, so nothing is lost; an open stdin would wait for ever.
process.exit(await main(process.argv.slice(2)));
