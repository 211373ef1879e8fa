/** The schemas as a contract: documented, complete, and the generated files up to date. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import * as handshake from '../../../backend/src/protocol/handshake.ts';
import { METHODS } from '../../../backend/src/protocol/methods.ts';
import { PLANNED } from '../../../backend/src/protocol/planned.ts';
import { VERSION } from '../../../backend/src/support/version.ts';
import { contractJson, protocolMarkdown } from '../../../build/lib/protocol-docs.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8').replaceAll('\r\n', '\n');

interface Schema {
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  oneOf?: Schema[];
  $defs?: Record<string, Schema>;
}

/** Paths of fields without a description. */
function undescribed(schema: Schema, path: string): string[] {
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
      ...(field.description ? [] : [`${path}.${name}`]),
      ...undescribed(field, `${path}.${name}`),
    ]),
    ...Object.entries(schema.$defs ?? {}).flatMap(([name, field]) => undescribed(field, name)),
    ...(schema.items ? undescribed(schema.items, `${path}[]`) : []),
    ...(schema.oneOf ?? []).flatMap((variant) => undescribed(variant, path)),
  ];
}

describe('protocol contract', async () => {
  const methods = await Promise.all(
    Object.entries(METHODS).map(async ([name, method]) => ({ name, ...(await method.schemas()) })),
  );
  const schemas: [string, z.ZodType][] = [
    ...methods.flatMap(({ name, params, result }): [string, z.ZodType][] => [
      [`${name} parameters`, params],
      [`${name} result`, result],
    ]),
    ...Object.entries<unknown>(handshake).flatMap(([name, value]): [string, z.ZodType][] =>
      value instanceof z.ZodObject && name !== 'RequestMessage' ? [[name, value]] : [],
    ),
  ];

  it.each(schemas)('%s: every field is described', (name, schema) => {
    expect(undescribed(z.toJSONSchema(schema, { io: 'input' }) as Schema, name)).toEqual([]);
  });

  it('docs/protocol.md is what the schemas say: run "npm run docs" after a change', () => {
    expect(read('docs', 'protocol.md')).toBe(protocolMarkdown());
  });

  it('the contract of the module tests is what the schemas say: run "npm run docs"', () => {
    expect(read('test', 'module', 'protocol-contract.json')).toBe(contractJson());
  });

  it('planned parameters are of known methods and not served yet', () => {
    for (const [method, parameters] of Object.entries(PLANNED)) {
      const served = Object.keys(methods.find(({ name }) => name === method)!.params.shape);
      for (const name of Object.keys(parameters)) expect(served).not.toContain(name);
    }
  });

  it('one version everywhere', () => {
    expect(JSON.parse(read('package.json')).version).toBe(VERSION);
    expect(/ModuleVersion\s*=\s*'([^']+)'/.exec(read('HyperVBackup.psd1'))?.[1]).toBe(VERSION);
  });
});
