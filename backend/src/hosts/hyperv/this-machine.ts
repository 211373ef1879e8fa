/** Which names of a host mean this machine. */
import { hostname } from 'node:os';

/**
 * By its own name, this machine is this machine: asking it through WinRM would only be slower, and takes no
 * credentials.
 */
export const isThisMachine = (server: string): boolean => server.toLowerCase() === hostname().toLowerCase();
