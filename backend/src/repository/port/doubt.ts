/** What keeps anything from being deleted (docs/format.md §6, Certainty). */
export interface Doubt {
  /**
   * `point`: published, and neither there nor removed. `manifests`: packs without any restore point. `content`: a
   * manifest is not what was published. `name`: something resembles an object that is not there. `listing`: a listing
   * lacks what must be in it. `configuration`, `place`: this is not the repository that was opened, or that this
   * machine knows there.
   */
  kind: 'point' | 'manifests' | 'content' | 'name' | 'listing' | 'configuration' | 'place';
  /** Within the repository. */
  path: string;
  /** A sentence without the end. */
  message: string;
  /** Of a restore point. */
  pointId?: string;
  vmName?: string;
  createdAt?: string;
}
