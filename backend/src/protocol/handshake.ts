/** `initialize`, `shutdown` and the notifications: the part of the protocol that is not operations. */
import * as z from 'zod';
import { HvError } from '../support/errors.ts';
import { VERSION } from '../support/version.ts';

/** major.minor: a new minor version only adds; a new major version may change meaning. */
export const PROTOCOL_VERSION = '1.0';
/** Longest line that is accepted, bytes: 4 MiB. */
export const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** Longest time without a request that a client may ask for, ms: a day. */
const MAX_IDLE_MS = 24 * 60 * 60 * 1000;
/** Shortest time between two progress notifications of one request, ms: 5 Hz. */
export const PROGRESS_INTERVAL_MS = 200;

export const InitializeParams = z.object({
  protocolVersion: z
    .string()
    .regex(/^\d{1,4}\.\d{1,4}$/)
    .describe('Version of the protocol that the client speaks, `major.minor`.'),
  client: z
    .object({ name: z.string().describe('Name of the program.'), version: z.string().describe('Its version.') })
    .optional()
    .describe('Who is calling; for logs.'),
  idleTimeoutMs: z
    .number()
    .int()
    .min(1)
    .max(MAX_IDLE_MS)
    .optional()
    .describe('The backend ends by itself when no request has run for this long, ms; never when left out.'),
});

export const InitializeResult = z.object({
  protocolVersion: z.string().describe('Version of the protocol that the backend speaks, `major.minor`.'),
  server: z
    .object({ name: z.string().describe('Name of the backend.'), version: z.string().describe('Its version.') })
    .describe('Who answers.'),
  capabilities: z
    .object({
      methods: z.array(z.string()).describe('Methods that can be called.'),
      progress: z.boolean().describe('Whether `$/progress` is sent.'),
      cancellation: z.boolean().describe('Whether `$/cancelRequest` is understood.'),
      partialResults: z.boolean().describe('Whether `$/partialResult` is sent.'),
    })
    .describe('What the backend can do.'),
  maxLineBytes: z.number().int().describe('Longest line that the backend accepts, bytes.'),
});

export const RequestId = z.union([z.string(), z.number()]);

/** A request or notification. JSON-RPC allows an id of null; ours must be one that identifies the answer. */
export const RequestMessage = z.object({
  jsonrpc: z.literal('2.0'),
  method: z.string().max(200),
  id: RequestId.nullable().optional(),
  params: z.unknown().optional(),
});

export const CancelParams = z.object({ id: RequestId.describe('Id of the request to cancel.') });

export const ProgressParams = z.object({
  token: RequestId.describe('`progressToken` of the request, or its id when it gave none.'),
  phase: z.string().describe('What is being done: `checkpoint`, `read`, `publish`, `convert`, `verify`, …'),
  vmName: z.string().optional().describe('Name of the VM.'),
  disk: z.number().int().optional().describe('Index of the disk, from 0.'),
  doneBytes: z.number().optional().describe('Bytes done in this phase.'),
  totalBytes: z.number().optional().describe('Bytes to do in this phase.'),
  bytesPerSecond: z.number().optional().describe('Rate over the last seconds, bytes per second.'),
  remainingMs: z.number().optional().describe('Time that this phase will still take at that rate, ms.'),
  message: z.string().optional().describe('More for the person who watches.'),
});

export const WarningParams = z.object({
  token: RequestId.describe('`progressToken` of the request, or its id when it gave none.'),
  message: z.string().describe('What the person should know.'),
});

export const PartialResultParams = z.object({
  token: RequestId.describe('`partialResultToken` of the request.'),
  value: z.unknown().describe('One element of the list that the method names.'),
});

export const EndingParams = z.object({
  reason: z.literal('idle').describe('Why the backend ends.'),
});

/** @throws PROTOCOL_VERSION when the client's major version is not ours */
export function negotiate(requested: string): void {
  const major = (version: string): string => version.split('.')[0]!;
  if (major(requested) === major(PROTOCOL_VERSION)) return;
  throw new HvError(
    'PROTOCOL_VERSION',
    `The client speaks protocol version ${requested}; this backend speaks ${PROTOCOL_VERSION}.`,
    {
      advice: 'Install the module and the backend of the same release.',
      data: { requested, supported: [PROTOCOL_VERSION] },
    },
  );
}

export const initializeResult = (methods: readonly string[]): z.infer<typeof InitializeResult> => ({
  protocolVersion: PROTOCOL_VERSION,
  server: { name: 'hvbackup', version: VERSION },
  capabilities: { methods: [...methods], progress: true, cancellation: true, partialResults: true },
  maxLineBytes: MAX_LINE_BYTES,
});
