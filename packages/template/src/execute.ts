import { functions } from './functions.ts';
import { type Node, type Operand, type Pipe, parseTemplate, TemplateError } from './parse.ts';
import { isMap, Nil, show, truth } from './values.ts';

export { TemplateError } from './parse.ts';

export type TemplateOptions = {
  /** Go's name of the data's type, for the message about a field that it has not; a plain map when undefined. */
  readonly typeName?: string;
};

export type CompileOptions = {
  /** The template's name in messages; empty unless given. */
  readonly name?: string;
};

/** A parsed template; running it gives the text. */
export type Template = (data: unknown, options?: TemplateOptions) => string;

/** Parses `source` once. @throws TemplateError with Go's wording, here and when run */
export function compileTemplate(source: string, { name = '' }: CompileOptions = {}): Template {
  const nodes = parseTemplate(source, name);
  return (data, options = {}) => {
    const run = new Execution(source, name, options);
    run.nodes(nodes, data, new Map([['$', { value: data }]]));
    return run.out;
  };
}

type Scope = Map<string, { value: unknown }>;

class Loop extends Error {
  readonly word: 'break' | 'continue';

  constructor(word: 'break' | 'continue') {
    super(word);
    this.word = word;
  }
}

class Execution {
  out = '';
  readonly #source: string;
  readonly #name: string;
  readonly #options: TemplateOptions;

  constructor(source: string, name: string, options: TemplateOptions) {
    this.#source = source;
    this.#name = name;
    this.#options = options;
  }

  nodes(nodes: readonly Node[], dot: unknown, scope: Scope): void {
    for (const node of nodes) {
      switch (node.kind) {
        case 'text':
          this.out += node.text;
          break;
        case 'action': {
          const value = this.#pipe(node.pipe, dot, scope);
          if (node.pipe.variables.length === 0) this.out += show(value);
          break;
        }
        case 'if': {
          const inner = new Map(scope);
          this.nodes(truth(this.#pipe(node.pipe, dot, inner)) ? node.body : node.otherwise, dot, inner);
          break;
        }
        case 'with': {
          const inner = new Map(scope);
          const value = this.#pipe(node.pipe, dot, inner);
          if (truth(value)) this.nodes(node.body, value, inner);
          else this.nodes(node.otherwise, dot, inner);
          break;
        }
        case 'range':
          this.#range(node.pipe, node.body, node.otherwise, dot, scope);
          break;
        case 'break':
        case 'continue':
          throw new Loop(node.kind);
      }
    }
  }

  #range(pipe: Pipe, body: readonly Node[], otherwise: readonly Node[], dot: unknown, scope: Scope): void {
    const value = this.#pipe({ ...pipe, variables: [] }, dot, scope);
    const items = entriesOf(value);
    if (items.length === 0) {
      this.nodes(otherwise, dot, new Map(scope));
      return;
    }
    for (const [key, item] of items) {
      const inner = new Map(scope);
      const [first, second] = pipe.variables;
      if (first !== undefined) inner.set(first, { value: second === undefined ? item : key });
      if (second !== undefined) inner.set(second, { value: item });
      try {
        this.nodes(body, item, inner);
      } catch (error) {
        if (!(error instanceof Loop)) throw error;
        if (error.word === 'break') return;
      }
    }
  }

  #pipe(pipe: Pipe, dot: unknown, scope: Scope): unknown {
    let value: unknown;
    pipe.commands.forEach((command, at) => {
      value = this.#command(command, dot, scope, at === 0 ? [] : [value]);
    });
    const [name] = pipe.variables;
    if (name !== undefined) {
      const existing = scope.get(name);
      if (pipe.assigns && existing) existing.value = value;
      else scope.set(name, { value });
    }
    return value;
  }

  #command(operands: readonly Operand[], dot: unknown, scope: Scope, piped: readonly unknown[]): unknown {
    const [first, ...rest] = operands;
    if (!first) return undefined;
    if (first.kind === 'function') {
      if (first.name === 'and' || first.name === 'or') return this.#early(first.name, rest, dot, scope, piped);
      const call = functions.get(first.name);
      if (!call) throw this.#parseError(`function ${JSON.stringify(first.name)} not defined`);
      return this.#call(operands, call, [...rest.map(operand => this.#argument(operand, dot, scope)), ...piped]);
    }
    const value = this.#operand(first, dot, scope);
    if (typeof value === 'function') {
      const call = value as (...args: unknown[]) => unknown;
      return this.#call(operands, call, [...rest.map(operand => this.#argument(operand, dot, scope)), ...piped]);
    }
    if (rest.length + piped.length > 0) throw this.#error(first, `can't give argument to non-function ${first.source}`);
    return value;
  }

  #early(
    name: 'and' | 'or',
    operands: readonly Operand[],
    dot: unknown,
    scope: Scope,
    piped: readonly unknown[],
  ): unknown {
    let value: unknown;
    for (const operand of operands) {
      value = this.#argument(operand, dot, scope);
      if (truth(value) === (name === 'or')) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #call(command: readonly Operand[], call: (...args: unknown[]) => unknown, args: readonly unknown[]): unknown {
    try {
      return call(...args);
    } catch (error) {
      const [first] = command;
      if (!first) throw error;
      const whole = { ...first, source: command.map(({ source }) => source).join(' ') };
      throw this.#error(whole, error instanceof Error ? error.message : String(error));
    }
  }

  /** An operand's value; a method without arguments is called for it. */
  #argument(operand: Operand, dot: unknown, scope: Scope): unknown {
    const value = this.#operand(operand, dot, scope);
    return typeof value === 'function' ? this.#call([operand], value as () => unknown, []) : value;
  }

  #operand(operand: Operand, dot: unknown, scope: Scope): unknown {
    switch (operand.kind) {
      case 'dot':
        return dot;
      case 'nil':
        return undefined;
      case 'literal':
        return operand.value;
      case 'field':
        return this.#select(operand, dot, dot === scope.get('$')?.value);
      case 'variable': {
        const variable = scope.get(operand.name);
        if (!variable) throw this.#parseError(`undefined variable ${JSON.stringify(operand.name)}`);
        return this.#select(operand, variable.value, operand.name === '$');
      }
      case 'function':
        return this.#command([operand], dot, scope, []);
      case 'pipe':
        return this.#select(operand, this.#pipe(operand.pipe, dot, scope), false);
    }
  }

  #select(operand: Operand, start: unknown, atRoot: boolean): unknown {
    let value = start;
    operand.path.forEach((name, depth) => {
      if (typeof value === 'function') value = (value as () => unknown)();
      if (value === null || value === undefined || value instanceof Nil) {
        throw this.#error(operand, `nil data; no entry for key ${JSON.stringify(name)}`);
      }
      if (!isMap(value)) throw this.#error(operand, `can't evaluate field ${name} in type ${goType(value)}`);
      if (!Object.hasOwn(value, name)) {
        const { typeName } = this.#options;
        if (atRoot && depth === 0 && typeName !== undefined) {
          throw this.#error(operand, `can't evaluate field ${name} in type ${typeName}`);
        }
        throw this.#error(operand, `map has no entry for key ${JSON.stringify(name)}`);
      }
      value = value[name];
    });
    return value;
  }

  #error(operand: Operand, message: string): TemplateError {
    const before = this.#source.slice(0, operand.at);
    const line = before.split('\n').length;
    const column = before.length - (before.lastIndexOf('\n') + 1);
    const place = `${this.#name}:${line}:${column}: executing ${JSON.stringify(this.#name)}`;
    return new TemplateError(`template: ${place} at <${operand.source}>: ${message}`);
  }

  #parseError(message: string): TemplateError {
    return new TemplateError(`template: ${this.#name}:1: ${message}`);
  }
}

function entriesOf(value: unknown): [unknown, unknown][] {
  if (Array.isArray(value)) return value.map((item, at) => [at, item]);
  if (isMap(value))
    return Object.keys(value)
      .sort()
      .map(key => [key, value[key]]);
  if (typeof value === 'number') return Array.from({ length: value }, (_, at) => [at, at]);
  return [];
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  return typeof value === 'number' ? 'float64' : typeof value === 'boolean' ? 'bool' : typeof value;
}
