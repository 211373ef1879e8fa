/** `npm run build`: the bundle, nothing else. */
import { relative } from 'node:path';
import { bundleBackend } from '../lib/bundle.ts';
import { root } from '../runtime.mjs';

console.log(`built ${relative(root, await bundleBackend())}`);
