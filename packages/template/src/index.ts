export { type CompileOptions, compileTemplate, type Template, TemplateError, type TemplateOptions } from './execute.ts';
export { Nil, Struct, toJson } from './values.ts';
