/**
 * The time zone that days and hours of the keep rules are counted in. Node takes a `TZ` that it does not know for UTC,
 * and a POSIX rule with summer time for its name alone, without a word.
 */

/** Names that mean UTC and nothing else. */
const UTC_NAMES = /^(Etc\/)?(UTC|GMT|UCT|Zulu|Universal|Greenwich)$|^(Etc\/)?GMT[+-]?0$/i;
/** POSIX: a name and hours west of Greenwich, no summer time. */
const FIXED = /^(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)([+-]?)(\d{1,2})(?::(\d{2}))?$/;

/**
 * What is wrong with the environment variable TZ; null when nothing is, or when it is not set.
 * @param year whose summer and winter are looked at
 */
export function timeZoneProblem(year: number, text = process.env.TZ): string | null {
  const name = text?.replace(/^:/, '') ?? '';
  if (name === '') return null;
  const [winter, summer] = [offsetAt(Date.UTC(year, 0, 15)), offsetAt(Date.UTC(year, 6, 15))];
  if (isMeant(name, year, winter, summer)) return null;
  const used =
    winter === summer ? (winter === 0 ? 'UTC' : `${shown(winter)} all year`) : `${shown(winter)} and ${shown(summer)}`;
  return (
    `TZ=${text} names no time zone that is known here: days and hours of the keep rules are counted in ${used}. ` +
    'Set TZ to a name such as Europe/Berlin, or leave it out.'
  );
}

/** Whether the offsets that are used are those that the text asks for. */
function isMeant(name: string, year: number, winter: number, summer: number): boolean {
  if (UTC_NAMES.test(name)) return winter === 0 && summer === 0;
  const fixed = FIXED.exec(name);
  if (fixed) {
    const [, sign, hours, minutes] = fixed;
    const west = (Number(hours) * 60 + Number(minutes ?? 0)) * (sign === '-' ? -1 : 1);
    if (winter === -west && summer === -west) return true;
  }
  try {
    const zone = new Intl.DateTimeFormat('en', { timeZone: name, timeZoneName: 'longOffset', hourCycle: 'h23' });
    return winter === zoneOffset(zone, Date.UTC(year, 0, 15)) && summer === zoneOffset(zone, Date.UTC(year, 6, 15));
  } catch {
    return false;
  }
}

/** Minutes east of UTC. */
const offsetAt = (time: number): number => -new Date(time).getTimezoneOffset() || 0;

function zoneOffset(zone: Intl.DateTimeFormat, time: number): number {
  const text = zone.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const parts = /GMT(?:([+-])(\d{2}):(\d{2}))?/.exec(text);
  if (!parts?.[1]) return 0;
  return (Number(parts[2]) * 60 + Number(parts[3])) * (parts[1] === '-' ? -1 : 1);
}

function shown(offset: number): string {
  const minutes = Math.abs(offset);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
