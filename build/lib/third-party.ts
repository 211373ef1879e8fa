/**
 * What of others is in the published folder: a bill of materials (CycloneDX 1.5, JSON) and the text of each licence.
 * Both come from what the bundler says it took and from package-lock.json, whose checksums npm has verified; nothing in
 * them depends on when or where they are made.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../runtime.mjs';

export interface ThirdParty {
  name: string;
  version: string;
  /** SPDX identifier, as its package says. */
  licence: string;
  /** Text of the licence. */
  text: string;
  /** The package has none of its own: the text is that of the licence it names. */
  isStandardText: boolean;
  /** SHA-512 of the package as the registry has it, hex; from package-lock.json. */
  sha512: string;
}

interface Manifest {
  version: string;
  license?: string;
  author?: string | { name: string };
}

/** @throws where a package has neither a text nor a licence whose text is known, or is not pinned */
export function thirdParty(names: readonly string[]): ThirdParty[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; integrity?: string } | undefined>;
  };
  return names.map((name) => {
    const folder = join(root, 'node_modules', name);
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    const pinned = lock.packages[`node_modules/${name}`];
    const integrity = /^sha512-(.+)$/.exec(pinned?.integrity ?? '')?.[1];
    if (integrity === undefined || pinned?.version !== manifest.version)
      throw new Error(`${name} ${manifest.version} is not what package-lock.json pins.`);
    const own = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)(\.|$)/i.test(entry));
    const text = own === undefined ? standardText(name, manifest) : readFileSync(join(folder, own), 'utf8');
    return {
      name,
      version: manifest.version,
      licence: manifest.license ?? 'NOASSERTION',
      text: text.replaceAll('\r\n', '\n'),
      isStandardText: own === undefined,
      sha512: Buffer.from(integrity, 'base64').toString('hex'),
    };
  });
}

/**
 * Some packages name the MIT licence and hold no copy of it; its text is the same for all but for who holds the
 * copyright.
 */
function standardText(name: string, { license, author }: Manifest): string {
  const holder = (typeof author === 'object' ? author.name : author)?.replace(/\s*[<(].*$/, '');
  if (license !== 'MIT' || !holder) throw new Error(`${name} holds no licence text, and names ${license}.`);
  const mit = readFileSync(join(root, 'LICENSE'), 'utf8');
  return mit.replace(/^Copyright .*$/m, `Copyright (c) ${holder}`);
}

/** All texts in one file for people, a heading each. */
export function noticesText(parts: readonly ThirdParty[]): string {
  const sections = parts.map(({ name, version, licence, text, isStandardText }) => {
    const note = isStandardText
      ? `\nThe package names this licence and holds no copy of it; this is the standard text.\n`
      : '';
    return `${'='.repeat(78)}\n${name} ${version} (${licence})\n${'='.repeat(78)}\n${note}\n${text.trim()}\n`;
  });
  return `HyperVBackup contains the following software of others.\n\n${sections.join('\n')}`;
}

/** @param nodeFile the Node that goes with it, where one does: its hash is that of what was packaged */
export function billOfMaterials(version: string, parts: readonly ThirdParty[], nodeFile?: string): object {
  const isNode = (name: string): boolean => /^node-(win|linux)-/.test(name);
  const component = (part: ThirdParty): object => ({
    type: isNode(part.name) ? 'application' : 'library',
    'bom-ref': `pkg:npm/${part.name}@${part.version}`,
    name: part.name,
    version: part.version,
    purl: `pkg:npm/${part.name.replace('@', '%40')}@${part.version}`,
    hashes: [{ alg: 'SHA-512', content: part.sha512 }],
    licenses: [part.licence === 'NOASSERTION' ? { license: { name: 'unknown' } } : { license: { id: part.licence } }],
    ...(isNode(part.name)
      ? {
          description:
            "A third party's npm package of the Node.js binary; not compared with the checksums that Node.js signs.",
          ...(nodeFile !== undefined && existsSync(nodeFile)
            ? { components: [{ type: 'file', name: 'node', hashes: [{ alg: 'SHA-256', content: sha256(nodeFile) }] }] }
            : {}),
        }
      : {}),
  });
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: { type: 'application', name: 'HyperVBackup', version, licenses: [{ license: { id: 'MIT' } }] },
    },
    components: parts.map(component),
  };
}

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
