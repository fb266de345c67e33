import { closeInheritedDescriptors } from './inherited.ts';
import { runDaemon } from './run.ts';

process.title = 'gantry-daemon';
closeInheritedDescriptors(process.env);
await runDaemon(process.argv.slice(2));
