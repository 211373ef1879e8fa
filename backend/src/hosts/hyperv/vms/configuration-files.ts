/** The configuration files of a checkpoint: read from its own files, beside each other under one name. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { HvError, toHvError } from '../../../support/errors.ts';
import type { ConfigurationFile } from '../../port.ts';
import { pathsOf, reachable } from '../paths.ts';

export interface ConfigurationPlace {
  /** ConfigurationDataRoot and ConfigurationFile of the checkpoint's settings. */
  dataRoot: string;
  file: string;
  guestStateRoot: string;
  guestStateFile: string;
}

/**
 * `<dataRoot>/<file without extension>.*`, and the guest state file where it is kept apart.
 * @throws FILE_NOT_FOUND when there is no `.vmcx` among them
 */
export async function configurationFiles(
  place: ConfigurationPlace,
  server: string | undefined,
): Promise<ConfigurationFile[]> {
  const { join, dirname, basename, extname } = pathsOf(place.dataRoot);
  const definition = join(place.dataRoot, place.file);
  const folder = reachable(dirname(definition), server);
  const stem = basename(definition, extname(definition)).toLowerCase();
  const found = new Map<string, string>();
  try {
    for (const name of await readdir(folder)) {
      if (name.slice(0, name.length - extname(name).length).toLowerCase() === stem) found.set(name, join(folder, name));
    }
  } catch (error) {
    throw toHvError(error, folder);
  }
  if (place.guestStateFile) {
    const file = join(place.guestStateRoot || place.dataRoot, place.guestStateFile);
    if (!found.has(basename(file))) found.set(basename(file), reachable(file, server));
  }
  const files: ConfigurationFile[] = [];
  for (const [name, file] of found) {
    const info = await stat(file).catch(() => null);
    if (!info?.isFile()) continue;
    files.push({ name, kind: kindOf(name), size: info.size, read: () => read(file) });
  }
  if (!files.some((file) => file.kind === 'vmcx')) {
    throw new HvError('FILE_NOT_FOUND', `The checkpoint's configuration file was not found: ${definition}`, {
      advice: 'Check the rights on the folder; or back up the data only (--kind data).',
      data: { path: definition },
    });
  }
  return files;
}

function kindOf(name: string): ConfigurationFile['kind'] {
  const kind = /\.(vmcx|vmrs|vmgs)$/i.exec(name)?.[1]?.toLowerCase();
  return (kind as ConfigurationFile['kind'] | undefined) ?? 'other';
}

async function read(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw toHvError(error, file);
  }
}
