/** How errors travel in JSON-RPC: a number for its range, and everything a program needs in `data`. */
import { JSONRPCErrorCode, JSONRPCErrorException } from 'json-rpc-2.0';
import { errorCategory } from '../support/error-codes.ts';
import { HvError, toHvError } from '../support/errors.ts';

/**
 * Numbers of errors by category: -32000 minus the exit code that the same error gives the command line. JSON-RPC's own
 * numbers (-32700, -32600 to -32603) stand for faults of the message itself.
 */
export const RPC_CODE = {
  failed: -32001,
  usage: -32002,
  someFailed: -32003,
  damage: -32004,
  cancelled: -32005,
} as const;

/** Maps anything thrown to what json-rpc-2.0 sends; a plain error would lose its data there. */
export function toRpcError(error: unknown): JSONRPCErrorException {
  if (error instanceof JSONRPCErrorException) return error;
  const hvError = toHvError(error);
  return new JSONRPCErrorException(hvError.message, rpcNumber(hvError), hvError.toJSON());
}

function rpcNumber(error: HvError): number {
  if (error.code === 'PROTOCOL_INVALID') return JSONRPCErrorCode.InvalidParams;
  if (error.code === 'INTERNAL') return JSONRPCErrorCode.InternalError;
  return RPC_CODE[errorCategory(error.code)];
}

/** An error about the message itself. */
export function messageError(number: JSONRPCErrorCode, message: string, advice: string): JSONRPCErrorException {
  return new JSONRPCErrorException(message, number, new HvError('PROTOCOL_INVALID', message, { advice }).toJSON());
}
