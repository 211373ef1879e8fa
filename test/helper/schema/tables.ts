/**
 * Classes of real hosts, as generated bindings recorded them there: what the product's WMI calls are held against.
 * A class row's type is its base class; what it inherits stands there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '..', '..', 'fixtures', 'wmi-schema');

/** Recorded hosts, oldest first. */
export const HOSTS = ['server2019', 'server23h2'] as const;

interface Method {
  /** Parameters by name: in, out or in/out. */
  parameters: Map<string, { type: string; direction: string }>;
}

interface ClassRow {
  base: string;
  properties: Map<string, string>;
  methods: Map<string, Method>;
}

export class Schema {
  readonly host: string;
  readonly #classes = new Map<string, ClassRow>();

  /** @param host one of HOSTS */
  constructor(host: string) {
    this.host = host;
    const [, ...rows] = readFileSync(join(FOLDER, `${host}.tsv`), 'utf8')
      .trimEnd()
      .split('\n');
    for (const row of rows) {
      const [className, kind, name, type, direction] = row.split('\t') as [string, string, string, string, string];
      const one = this.#classes.get(className) ?? { base: '', properties: new Map(), methods: new Map() };
      this.#classes.set(className, one);
      if (kind === 'class') one.base = type;
      else if (kind === 'property') one.properties.set(name, type);
      else if (kind === 'method') one.methods.set(name, methodOf(one, name));
      else {
        const [method, parameter] = name.split('.') as [string, string];
        methodOf(one, method).parameters.set(parameter, { type, direction });
      }
    }
  }

  get classes(): string[] {
    return [...this.#classes.keys()];
  }

  has(className: string): boolean {
    return this.#classes.has(className);
  }

  /** A class and what it derives from, the class first. */
  *#line(className: string): Generator<ClassRow> {
    for (let name = className; name !== ''; ) {
      const row = this.#classes.get(name);
      if (row === undefined) return;
      yield row;
      name = row.base;
    }
  }

  /** @returns its type, inherited or not; undefined when the class has no such property */
  property(className: string, name: string): string | undefined {
    for (const row of this.#line(className)) if (row.properties.has(name)) return row.properties.get(name);
    return undefined;
  }

  /** Own parameters and those of the method that it overrides. @returns undefined when the class has no such method */
  method(className: string, name: string): Method | undefined {
    const found = [...this.#line(className)].flatMap((row) => row.methods.get(name) ?? []);
    if (found.length === 0) return undefined;
    return { parameters: new Map(found.reverse().flatMap(({ parameters }) => [...parameters])) };
  }

  /** Every name of a property or parameter in the tables. */
  get members(): Set<string> {
    const rows = [...this.#classes.values()];
    const methods = rows.flatMap((row) => [...row.methods.values()]);
    return new Set([
      ...rows.flatMap((row) => [...row.properties.keys()]),
      ...methods.flatMap(({ parameters }) => [...parameters.keys()]),
    ]);
  }
}

function methodOf(row: ClassRow, name: string): Method {
  const method = row.methods.get(name) ?? { parameters: new Map() };
  row.methods.set(name, method);
  return method;
}
