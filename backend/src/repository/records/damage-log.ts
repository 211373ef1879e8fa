/** What is known to be damaged in the packs: recorded in the repository, so that no writer relies on it again. */
import type { DocumentStore } from '../documents/document-store.ts';
import type { Environment } from '../environment.ts';
import { damageKey, damageName } from '../format/names.ts';
import type { RecordIndex, RecordLocation } from './record-index.ts';

export class DamageLog {
  readonly #documents: DocumentStore;
  readonly #environment: Environment;
  readonly #index: RecordIndex;

  constructor(documents: DocumentStore, environment: Environment, index: RecordIndex) {
    this.#documents = documents;
    this.#environment = environment;
    this.#index = index;
  }

  /** Best effort: reading a repository that cannot be written must go on. */
  async record(location: Pick<RecordLocation, 'packId' | 'offset'>, id: Buffer, message: string): Promise<void> {
    const key = damageKey(location);
    if (this.#index.damaged.has(key)) return;
    this.#index.damaged.add(key);
    const at = new Date(this.#environment.now()).toISOString();
    const body = { pack: location.packId, offset: location.offset, id: id.toString('hex'), message, at };
    await this.#documents.put(damageName(key), body).catch(() => undefined);
  }
}
