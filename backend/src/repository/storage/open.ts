/** The kinds of storage that there are, by the scheme of a location. Another kind is one more entry. */
import { HvError } from '../../support/errors.ts';
import { schemeOf } from '../../support/location.ts';
import { FolderPlace } from './folder/folder-place.ts';
import type { StoragePlace } from './place.ts';

interface StorageKind {
  /** How a person writes its locations. */
  form: string;
  placeAt: (location: string) => StoragePlace;
}

/** What has no scheme is a path. */
const PATH = '';

const KINDS: ReadonlyMap<string, StorageKind> = new Map([
  [
    PATH,
    {
      form: 'a folder (a local path, or \\\\server\\share\\folder)',
      placeAt: (location: string) => new FolderPlace(location),
    },
  ],
]);

/** @throws USAGE for a scheme that no storage has */
export function placeAt(location: string): StoragePlace {
  const scheme = schemeOf(location) ?? PATH;
  const kind = KINDS.get(scheme);
  if (kind !== undefined) return kind.placeAt(location);
  const forms = [...KINDS.values()].map(({ form }) => form).join(', ');
  throw new HvError('USAGE', `No storage of this version has the scheme "${scheme}:" (${location}).`, {
    advice: `Give ${forms}. If it is a folder with a colon in its name, write ./${location}.`,
    data: { location, scheme },
  });
}
