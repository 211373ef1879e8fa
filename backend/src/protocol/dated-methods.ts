/** Methods that write dates for ever: with a clock that cannot be right they are refused before anything is done. */
import type { MethodName } from './methods.ts';

export const DATED: ReadonlySet<MethodName> = new Set<MethodName>([
  'host/create',
  'vm/create',
  'vm/backup',
  'host/backup',
  'repository/create',
  'repository/prune',
  'repository/repair',
  'key/add',
  'key/remove',
  'point/remove',
  'point/hold',
  'point/copy',
]);
