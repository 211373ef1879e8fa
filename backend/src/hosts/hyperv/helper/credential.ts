/** The account for another host: how the helper gets it, and who still needs the connection that was made with it. */
import type { HostCredential } from '../../../schema/common.ts';

/** The line that Read-HelperCredential takes from standard input. */
export const credentialLine = ({ userName, password }: HostCredential): string =>
  [userName, password].map((text) => Buffer.from(text, 'utf8').toString('base64')).join(' ');

/** Server → helpers of this process that use its shares. Windows keeps one connection for all of them. */
const users = new Map<string, number>();

export function useShares(server: string): void {
  const key = server.toLowerCase();
  users.set(key, (users.get(key) ?? 0) + 1);
}

/** @returns whether that was the last one, which ends the connection */
export function leaveShares(server: string): boolean {
  const key = server.toLowerCase();
  const left = (users.get(key) ?? 1) - 1;
  if (left > 0) users.set(key, left);
  else users.delete(key);
  return left <= 0;
}
