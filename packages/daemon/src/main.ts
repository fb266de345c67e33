import { runDaemon } from './run.ts';

process.title = 'gantry-daemon';
await runDaemon(process.argv.slice(2));
