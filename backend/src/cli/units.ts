/** Sizes, rates and times as people write and read them. */
import { HvError } from '../support/errors.ts';

const FACTOR: Record<string, number> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4, P: 1024 ** 5 };

/**
 * Bytes from `512`, `256K`, `1M`, `1.5GiB`, `10 GB`: binary multiples whatever the spelling, as in PowerShell.
 * @throws USAGE when it is not a size or not a whole number of bytes
 */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGTP]?)(?:i?B)?$/i.exec(text.trim());
  const bytes = match ? Number(match[1]) * FACTOR[match[2]!.toUpperCase()]! : Number.NaN;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new HvError('USAGE', `${option}: "${text}" is not a size.`, {
    advice: 'Write bytes, or a number with K, M, G or T: 65536, 256K, 1.5G.',
    data: { option, value: text },
  });
}

/** @throws USAGE when it is not a whole number from `min` to `max` */
export function parseInteger(text: string, option: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const value = /^-?(0x[0-9a-f]+|\d+)$/i.test(text.trim()) ? Number(text.trim()) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
  throw new HvError('USAGE', `${option}: "${text}" is not a whole number ${range}.`, { data: { option, value: text } });
}

/** `0 B`, `512 B`, `1.5 KiB`, `10 GiB`: three digits at most behind rounding. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit < 5) {
    value /= 1024;
    unit++;
  }
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits).replace(/\.?0+$/, digits === 0 ? '$&' : '')} ${['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit]}`;
}

export const formatRate = (bytesPerSecond: number): string => `${formatBytes(bytesPerSecond)}/s`;

/** `340 ms`, `4.2 s`, `3 min 05 s`, `2 h 10 min`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** `1 pack`, `2 packs`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Local time to the second: `2026-11-21 04:05:06`. */
export function formatTime(iso: string): string {
  const date = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
