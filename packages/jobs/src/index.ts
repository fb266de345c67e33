export { CleanupStack } from './cleanup.ts';
export { Job, JobLog, type JobOutcome, type Span } from './job.ts';
