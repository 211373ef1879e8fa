/** Where HyperVHelper.ps1 lies: beside the bundle, in the module, or in a source tree. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { HvError } from '../../../support/errors.ts';

const FILE = 'HyperVHelper.ps1';
/** From the folder of the running code. */
const PLACES = ['Helper', '../Helper', '../module/Helper', '../../module/Helper', '../../../../../module/Helper'];

/** In the bundle, which is CommonJS, there is no import.meta. */
function codeFolder(): string {
  const url: string | undefined = import.meta.url;
  return url === undefined ? __dirname : path.dirname(fileURLToPath(url));
}

/** @throws HELPER_FAILED when it is nowhere */
export function helperPath(folder: string = codeFolder()): string {
  for (const place of PLACES) {
    const file = path.resolve(folder, place, FILE);
    if (existsSync(file)) return file;
  }
  throw new HvError('HELPER_FAILED', `${FILE} was not found near ${folder}`, {
    advice: 'Install the package again: its module folder belongs beside the program.',
    data: { folder },
  });
}
