/** Choosing restore points by their VM, as retention and copying do: a VM is taken whole, whatever names it has had. */
import { HvError } from '../support/errors.ts';
import type { Point } from './points.ts';

/**
 * All points of the VMs that bear the name in any of their restore points, or have the id.
 * @param selector all points when absent
 * @throws VM_NOT_FOUND with the names that are known
 */
export function selectVms(points: readonly Point[], selector: string | undefined, location: string): Point[] {
  if (selector === undefined) return [...points];
  const wanted = selector.toLowerCase();
  const groups = new Set(
    points
      .filter(({ body }) => body.vm.id === wanted || body.vm.name.toLowerCase() === wanted)
      .map(({ manifest }) => manifest.group),
  );
  if (groups.size > 0) return points.filter(({ manifest }) => groups.has(manifest.group));
  const names = [...new Set(points.map(({ body }) => body.vm.name))].sort();
  const known = names.slice(0, 20).join(', ') + (names.length > 20 ? ', …' : '');
  throw new HvError('VM_NOT_FOUND', `${location} has no restore point of a VM '${selector}'.`, {
    advice: names.length > 0 ? `It has restore points of ${known}.` : 'It has no restore points at all.',
    data: { vm: selector, known: names },
  });
}
