/** Renders `docs/protocol.md` and the contract for the module's tests from the schemas of the protocol. */
import * as z from 'zod';
import * as handshake from '../../backend/src/protocol/handshake.ts';
import { METHODS, type Method, type Schemas } from '../../backend/src/protocol/methods.ts';
import { PLANNED } from '../../backend/src/protocol/planned.ts';
import { RPC_CODE } from '../../backend/src/protocol/rpc-errors.ts';
import { ErrorObject } from '../../backend/src/schema/errors.ts';
import { ERROR_CODES, EXIT_CODE, errorCategory } from '../../backend/src/support/error-codes.ts';

interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  type?: string | string[];
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  format?: string;
  additionalProperties?: unknown;
}

/** `input`: what is sent, where defaults make a field optional; results have no defaults, so it serves for both. */
function jsonSchema(schema: z.ZodType): JsonSchema {
  const made = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema;
  // A schema with a name of its own comes as a reference to itself.
  const own = made.$ref === undefined ? undefined : made.$defs?.[made.$ref.replace('#/$defs/', '')];
  return own === undefined ? made : { ...own, $defs: made.$defs };
}

type Described = Method & Schemas;

const METHOD_LIST = await Promise.all(
  Object.entries<Method>(METHODS).map(
    async ([name, method]): Promise<[string, Described]> => [name, { ...method, ...(await method.schemas()) }],
  ),
);

/** @returns the whole of docs/protocol.md */
export function protocolMarkdown(): string {
  const types: Record<string, JsonSchema> = {};
  const methods = METHOD_LIST.flatMap(([name, method]) => methodSection(name, method, types));
  const handshakeTables = [
    ...section('### initialize', 'Must be the first request. Parameters:', handshake.InitializeParams, types),
    ...section('', 'Result:', handshake.InitializeResult, types),
    ...section(
      '### $/progress',
      'Notification of the backend while a request runs. Parameters:',
      handshake.ProgressParams,
      types,
    ),
    ...section(
      '### $/warning',
      'Notification of the backend: something that is not an error. Parameters:',
      handshake.WarningParams,
      types,
    ),
    ...section(
      '### $/partialResult',
      "Notification of the backend: one element of the result's list, as soon as it is final, where the request gave a `partialResultToken`. Each comes once, before the answer, which holds them all. Parameters:",
      handshake.PartialResultParams,
      types,
    ),
    ...section(
      '### $/ending',
      'Notification of the backend: it ends. A request that is not answered before was not begun, and may be sent to another backend. Parameters:',
      handshake.EndingParams,
      types,
    ),
    ...section(
      '### $/cancelRequest',
      'Notification of the client. The request is still answered: with its result when it was too late, else with the error `CANCELLED`. Parameters:',
      handshake.CancelParams,
      types,
    ),
  ];
  const errorTable = fieldTable(jsonSchema(ErrorObject), types);
  const typeSections = Object.entries(types)
    .sort(([a], [b]) => a.localeCompare(b))
    .flatMap(([name, schema]) => [`### ${name}`, '', ...fieldTable(schema, types), '']);
  return [
    ...INTRODUCTION,
    '## Session',
    '',
    ...handshakeTables,
    '### shutdown',
    '',
    'Request without parameters. Cancels what runs, waits until it is cleaned up, answers `{}`, and ends the backend.',
    '',
    '## Errors',
    '',
    "An error's `data` is always an object of this shape:",
    '',
    ...errorTable,
    '',
    ...errorNumbers(),
    '',
    ...errorCodes(),
    '',
    '## Methods',
    '',
    ...METHOD_LIST.map(([name, method]) => `- [${name}](#${anchor(name)}): ${method.summary}`),
    '',
    ...methods,
    '## Types',
    '',
    ...typeSections,
  ]
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()
    .concat('\n');
}

/** @returns methods with the names of their fields, for tests in other languages; JSON text */
export function contractJson(): string {
  const methods = Object.fromEntries(
    METHOD_LIST.map(([name, method]) => {
      const params = jsonSchema(method.params);
      return [
        name,
        {
          params: fieldNames(params, params.$defs ?? {}),
          required: params.required ?? [],
          planned: Object.keys(PLANNED[name] ?? {}),
          result: fieldNames(jsonSchema(method.result), jsonSchema(method.result).$defs ?? {}),
          progress: method.progress,
          ...(method.partial === undefined ? {} : { partial: method.partial }),
        },
      ];
    }),
  );
  const contract = { protocolVersion: handshake.PROTOCOL_VERSION, errorCodes: ERROR_CODES, methods };
  return `${JSON.stringify(contract, null, 2)}\n`;
}

/** Top-level fields, and those of named types one level down as `field.name` or `field[].name`. */
function fieldNames(schema: JsonSchema, defs: Record<string, JsonSchema>): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const item = field.items ?? field;
    const target = item.$ref ? defs[item.$ref.replace('#/$defs/', '')] : item;
    const path = field.items ? `${name}[]` : name;
    return [name, ...Object.keys(target?.properties ?? {}).map((child) => `${path}.${child}`)];
  });
}

function methodSection(name: string, method: Described, types: Record<string, JsonSchema>): string[] {
  const planned = Object.keys(PLANNED[name] ?? {});
  return [
    ...section(
      `### ${name}`,
      `${method.summary}${method.progress ? ' Reports progress.' : ''}${method.partial ? ` Sends each of \`${method.partial}\` as a partial result where asked to.` : ''}\n\nParameters:`,
      method.params,
      types,
    ),
    ...(planned.length > 0
      ? [`Refused with \`NOT_SUPPORTED\` in this version: ${planned.map((field) => `\`${field}\``).join(', ')}.`, '']
      : []),
    ...section('', 'Result:', method.result, types),
  ];
}

function section(heading: string, text: string, schema: z.ZodType, types: Record<string, JsonSchema>): string[] {
  return [heading, '', text, '', ...fieldTable(jsonSchema(schema), types), ''];
}

function fieldTable(schema: JsonSchema, types: Record<string, JsonSchema>): string[] {
  for (const [name, definition] of Object.entries(schema.$defs ?? {})) types[name] ??= definition;
  const rows = fieldRows(schema, '');
  if (rows.length === 0) return ['None.'];
  return ['| Field | Type | | Meaning |', '|---|---|---|---|', ...rows];
}

function fieldRows(schema: JsonSchema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const optional = !(schema.required ?? []).includes(name);
    const presence =
      field.default !== undefined ? `default \`${JSON.stringify(field.default)}\`` : optional ? 'optional' : 'required';
    const path = `${prefix}${name}`;
    const row = `| \`${path}\` | ${typeName(field)} | ${presence} | ${(field.description ?? '').replaceAll('|', '\\|')} |`;
    const variants = field.oneOf ?? field.anyOf ?? [];
    const nested = field.items ?? field;
    return [
      row,
      ...fieldRows(nested.$ref ? {} : nested, field.items ? `${path}[].` : `${path}.`),
      ...variants.flatMap((variant) => fieldRows(variant, `${path}{${variant.properties?.type?.const ?? ''}}.`)),
    ];
  });
}

function typeName(schema: JsonSchema): string {
  if (schema.$ref) {
    const name = schema.$ref.replace('#/$defs/', '');
    return `[${name}](#${anchor(name)})`;
  }
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum)
    return schema.enum.length > 12 ? 'string' : schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return [...new Set(variants.map(typeName))].join(' or ');
  if (schema.type === 'array') return `array of ${typeName(schema.items ?? {})}`;
  if (schema.format === 'date-time') return 'string (ISO 8601, UTC)';
  return [schema.type ?? 'any'].flat().join(' or ');
}

const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');

const errorNumbers = (): string[] => [
  '| Number | Meaning |',
  '|---|---|',
  '| -32700 | The line is not JSON, or is too long |',
  '| -32600 | The message is not a request that can be run now |',
  '| -32601 | There is no such method |',
  '| -32602 | The parameters do not fit the method (`PROTOCOL_INVALID`) |',
  '| -32603 | A defect of the backend (`INTERNAL`) |',
  ...Object.entries(RPC_CODE).map(
    ([category, number]) =>
      `| ${number} | Category \`${category}\`, exit code ${EXIT_CODE[category as keyof typeof EXIT_CODE]} of the command line |`,
  ),
];

const errorCodes = (): string[] => [
  'Codes are stable; new ones are added, none is renamed:',
  '',
  '| Code | Category |',
  '|---|---|',
  ...ERROR_CODES.map((code) => `| \`${code}\` | ${errorCategory(code)} |`),
];

const INTRODUCTION = [
  '# Protocol',
  '',
  '<!-- Made from backend/src/schema and backend/src/protocol by `npm run docs`. Change those, then run it again. -->',
  '',
  `\`hvbackup serve\` speaks JSON-RPC 2.0 on stdin and stdout: one message a line, UTF-8 without byte order mark, ended by LF.`,
  `Lines to the backend may be ${handshake.MAX_LINE_BYTES} bytes long. Batches are not used. Stdout carries nothing else; logs go to stderr.`,
  '',
  '- Requests run side by side; each is answered when it is done. A request needs an id (number or string) that no running one has.',
  '- `progressToken` (number or string) may stand beside the parameters of any request; notifications about the request carry',
  '  it as `token`, or the id when it was left out.',
  '- `partialResultToken` (number or string) beside the parameters asks for `$/partialResult`, where the method sends any.',
  `- Progress is sent at most ${1000 / handshake.PROGRESS_INTERVAL_MS} times a second for a request, and left out while the client does not read.`,
  '- Parameters are checked strictly: an unknown name is an error. Results may gain fields.',
  '- One `vm/backup` backs up one VM; lists are paged by cursor.',
  '- When stdin ends, or stdout is no longer read, every job is cancelled and cleaned up, and the backend ends.',
  '- A client that gives `idleTimeoutMs` to `initialize` may keep the backend for its next request: unused for so long it ends by itself.',
  '- What one request had to derive or start (keys, helper processes) serves the next ones for a minute.',
  '- Sizes, offsets and lengths are bytes; times are UTC; durations are milliseconds; disks count from 0.',
  '',
  `The version of the protocol is ${handshake.PROTOCOL_VERSION} (major.minor). A backend refuses a client of another major version.`,
  '',
  'The commands of `hvbackup` call the same methods, and with `--json` print their results: `list` joins all pages to',
  '`{"points":[…]}`, `backup` gathers one result a VM in `{"results":[…]}` (a VM that failed has `vmName` and `error`), and any',
  'command that fails as a whole prints `{"error":{…}}` with the error object below.',
  '',
];
