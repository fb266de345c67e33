export {
  ARCHITECTURES,
  type Architecture,
  architectureNamed,
  isSystemCall,
  nativeArchitecture,
} from './architecture.ts';
export { interpretFilter, type SystemCall } from './bpf-interpreter.ts';
export { assembleFilter, unknownSystemCalls } from './filter.ts';
export type { FilterAction, FilterArgument, FilterOperator, FilterProfile, FilterRule } from './profile.ts';
