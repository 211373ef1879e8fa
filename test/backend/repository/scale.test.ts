/** The simulated repository of `npm run scale`, in small: to the product it is whole, but for the blocks themselves. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SqliteCatalog } from '../../../backend/src/catalog/sqlite-catalog.ts';
import { initRepository, openStoredRepository } from '../../../backend/src/repository/open.ts';
import { FolderStorage } from '../../../backend/src/repository/storage/folder/folder.ts';
import { simulate } from '../../scale/simulate.ts';

it('a simulated repository lists, checks and prunes like a real one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hvb-scale-'));
  try {
    const storage = new FolderStorage(folder);
    const { id } = await initRepository(storage);
    const size = { vms: 3, points: 12, blocks: 3000, diskSize: 1024 ** 3, blockSize: 256 * 1024 };
    const { packs, records } = simulate({ folder, repositoryId: id, ...size }, () => undefined);
    const repository = await openStoredRepository(storage, { catalog: () => new SqliteCatalog(null, id), workers: 0 });
    const manifests = await repository.listManifests();
    expect(manifests).toHaveLength(12);
    expect((await repository.check()).damages).toEqual([]);
    const stats = await repository.stats();
    expect(stats.packs).toBe(packs);
    expect(stats.blocks + stats.nodes).toBe(records);
    await repository.verify(
      manifests.flatMap(({ contents }) => contents),
      { samplePercent: 0, onDamage: (damage) => expect(damage).toBeNull() },
    );
    const { packsDeleted, packsRewritten } = await repository.prune({ dryRun: true });
    expect({ packsDeleted, packsRewritten }).toEqual({ packsDeleted: 0, packsRewritten: 0 });
    await repository.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
