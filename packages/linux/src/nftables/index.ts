export {
  compare,
  connection,
  counter,
  decide,
  destinationKind,
  type Expression,
  immediate,
  lookup,
  mask,
  masquerade,
  meta,
  payload,
  type Register,
  rewritePort,
  translate,
  word,
} from './expression.ts';
export * from './match.ts';
export { Family, type FamilyNumber, transaction } from './message.ts';
export {
  parseChain,
  parseElements,
  parseEvent,
  parseRule,
  parseTable,
  type ReadChain,
  type ReadElement,
  type ReadRule,
  type RulesetEvent,
} from './read.ts';
export { addRule, deleteRule, flushChain, getRules, type RuleOptions } from './rule.ts';
export {
  addElements,
  addSet,
  deleteElements,
  flushSet,
  getElements,
  type SetDefinition,
  type SetElement,
} from './set.ts';
export { addChain, addTable, type BaseChain, deleteTable, getChains, getTables, Hook, type Table } from './table.ts';
export { address, concat, concatenated, DataType, linkName, port, protocol } from './value.ts';
export type { Verdict } from './verdict.ts';
