/** A restore point in an operation's hands. */
import type { ManifestEnvelope } from '../../repository/port/points.ts';
import type { ManifestBody } from '../../schema/manifest.ts';

/** A restore point: what the repository knows of it, and its checked body. */
export interface Point {
  manifest: ManifestEnvelope;
  body: ManifestBody;
}
