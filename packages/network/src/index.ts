export type * from './face.ts';
export { openNetworkStack } from './stack.ts';
