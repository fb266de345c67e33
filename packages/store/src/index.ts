export { type Migration, StateStore } from './store.ts';
