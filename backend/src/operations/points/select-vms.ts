/** Choosing restore points by their VM, as retention and copying do: a VM is taken whole, whatever names it has had. */
import { HvError } from '../../support/errors.ts';
import { didYouMean } from '../../support/suggest.ts';
import type { Point } from './point.ts';

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
  throw noPointsOf(
    selector,
    points.map(({ body }) => body.vm.name),
    location,
  );
}

/** @param names of the VMs that have restore points, in any number */
export function noPointsOf(selector: string, names: readonly string[], location: string): HvError {
  const known = [...new Set(names)].sort();
  const shown = known.slice(0, 20).join(', ') + (known.length > 20 ? ', …' : '');
  const advice = known.length > 0 ? `It has restore points of ${shown}.` : 'It has no restore points at all.';
  return new HvError('VM_NOT_FOUND', `${location} has no restore point of a VM '${selector}'.`, {
    advice: didYouMean(selector, known, advice),
    data: { vm: selector, known },
  });
}
