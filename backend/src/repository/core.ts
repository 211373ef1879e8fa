/** The parts of an open repository, put together once and shared by sessions, readers, prune and check. */

import { DocumentStore } from './documents/document-store.ts';
import { RowProof } from './documents/row-proof.ts';
import { WorkerPool } from './engine/worker-pool.ts';
import type { Environment } from './environment.ts';
import { type BlockScheme, schemeOf } from './format/block-scheme.ts';
import type { RepositoryConfig } from './format/config.ts';
import type { RepositoryKeys } from './format/keys.ts';
import { DigestStore } from './points/digests.ts';
import { LedgerStore } from './points/ledger.ts';
import { ManifestStore } from './points/manifests.ts';
import { PointWatch } from './points/point-watch.ts';
import { TombstoneStore } from './points/tombstones.ts';
import type { Catalog } from './port/catalog.ts';
import type { Damage } from './port/damage.ts';
import type { Doubt } from './port/doubt.ts';
import type { Memory } from './port/memory.ts';
import { DamageLog } from './records/damage-log.ts';
import { MarkStore } from './records/marks.ts';
import { NodeCache } from './records/node-cache.ts';
import { PackCiphers } from './records/pack-ciphers.ts';
import type { PackOwner } from './records/pack-writer.ts';
import { RecordIndex } from './records/record-index.ts';
import { RecordReader } from './records/record-reader.ts';
import { RecordRefresh, type RefreshResult } from './records/record-refresh.ts';
import { SessionRegistry } from './sessions/session-registry.ts';
import { objectsOnly } from './storage/objects-only.ts';
import type { Storage } from './storage/storage.ts';

export class RepositoryCore {
  readonly storage: Storage;
  readonly config: RepositoryConfig;
  readonly scheme: BlockScheme;
  readonly ciphers: PackCiphers;
  readonly environment: Environment;
  /** Null when the repository is not encrypted. */
  readonly keys: RepositoryKeys | null;
  readonly catalog: Catalog;
  readonly documents: DocumentStore;
  readonly index: RecordIndex;
  readonly marks: MarkStore;
  readonly sessions: SessionRegistry;
  readonly tombstones: TombstoneStore;
  readonly ledger: LedgerStore;
  /** What this machine remembers; null when nothing. */
  readonly memory: Memory | null;
  readonly watch: PointWatch;
  /** That another repository lay where this one lies, as this machine remembers. Empties when a person accepts it. */
  placeDoubts: Doubt[] = [];
  /** Of the rows in the catalog. */
  readonly proof: RowProof;
  readonly manifests: ManifestStore;
  readonly digests: DigestStore;
  readonly damage: DamageLog;
  readonly reader: RecordReader;
  readonly nodes: NodeCache;
  readonly pool: WorkerPool;
  /** What was found wrong while the repository was opened, by a copy of something that cannot be read. */
  readonly problems: readonly Damage[];
  readonly #refresh: RecordRefresh;
  #running: Promise<RefreshResult> | undefined;

  constructor(
    storage: Storage,
    config: RepositoryConfig,
    catalog: Catalog,
    environment: Environment,
    options: {
      workers?: number;
      pool?: WorkerPool;
      keys?: RepositoryKeys | null;
      memory?: Memory | null;
      problems?: readonly Damage[];
    } = {},
  ) {
    this.storage = objectsOnly(storage);
    this.config = config;
    this.environment = environment;
    this.keys = options.keys ?? null;
    this.problems = options.problems ?? [];
    this.scheme = schemeOf(config, this.keys);
    this.ciphers = new PackCiphers(storage, config.id, this.keys);
    this.catalog = catalog;
    this.documents = new DocumentStore(storage, config.id, this.keys);
    this.index = new RecordIndex(catalog);
    this.marks = new MarkStore(storage, this.documents, environment);
    this.sessions = new SessionRegistry(storage, this.documents, environment);
    this.tombstones = new TombstoneStore(storage, this.documents, environment);
    this.ledger = new LedgerStore(storage, this.documents, environment);
    this.memory = options.memory ?? null;
    this.watch = new PointWatch(this.memory, this.tombstones, this.ledger);
    this.proof = new RowProof(config.id, this.keys);
    this.manifests = new ManifestStore(
      storage,
      this.documents,
      catalog,
      this.tombstones,
      this.watch,
      this.ledger,
      this.keys,
      this.proof,
    );
    this.digests = new DigestStore(this.manifests, catalog, this.watch, this.memory, this.proof);
    this.damage = new DamageLog(this.documents, environment, this.index);
    this.#refresh = new RecordRefresh(storage, config.id, this.keys, this.index, this.marks);
    const codec = { scheme: this.scheme, ciphers: this.ciphers };
    this.reader = new RecordReader(storage, config.id, codec, this.index, this.damage, (effort) =>
      this.#reload(effort),
    );
    this.nodes = new NodeCache(this.reader);
    this.pool = options.pool ?? new WorkerPool(this.scheme, options.workers);
  }

  /** What the packs of a session have in common. */
  packOwner(sessionId: string): PackOwner {
    return { repositoryId: this.config.id, sessionId, keys: this.keys };
  }

  /** Brings indexes, marks and damage records up to what the storage lists now. */
  refresh(): Promise<RefreshResult> {
    return this.#refresh.refresh();
  }

  /** Reads the tables of contents of complete packs that no index names. @returns their ids */
  findUnindexed(): Promise<string[]> {
    return this.#refresh.findUnindexed();
  }

  async #reload(effort: 'refresh' | 'packs' | 'catalog'): Promise<void> {
    if (effort === 'catalog') this.catalog.clear();
    // Many readers may miss at once; one listing serves them all.
    this.#running ??= this.refresh().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
    if (effort === 'packs') await this.findUnindexed();
  }
}
