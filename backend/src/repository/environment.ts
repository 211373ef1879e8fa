/** What of the world a repository depends on; tests give their own. */
import { isDead, type ProcessIdentity, processIdentity } from '../support/owner.ts';

export interface Environment {
  /** Milliseconds since 1970. */
  now(): number;
  /** This process. */
  identity(): ProcessIdentity;
  /** Certain knowledge that a process of this machine has ended. */
  isDead(identity: ProcessIdentity): boolean;
}

export const systemEnvironment: Environment = { now: () => Date.now(), identity: processIdentity, isDead };
