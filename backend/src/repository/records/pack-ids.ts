/**
 * Ids of hundred thousands of packs in little memory: 16 bytes and a slot in a table each. A pack goes by its row from
 * then on.
 */
import { randomBytes } from 'node:crypto';

const ID_BYTES = 16;
/** Unknown to the process that made the ids: otherwise it could make all of them collide in one slot. */
const SEEDS = Array.from({ length: 4 }, () => randomBytes(4).readInt32LE(0) | 1);

export class PackIds {
  /** Rows given out: 0 … count − 1, in the order of their coming. */
  count = 0;
  #bytes = Buffer.alloc(ID_BYTES * 64);
  /** Row + 1 by a hash of the id, the next slot when it is taken; 0: free. Twice as many as rows at least. */
  #slots = new Int32Array(256);
  readonly #key = Buffer.alloc(ID_BYTES);

  /** @param id 32 hex digits. @returns its row, a new one when it was not known */
  add(id: string): number {
    const known = this.find(id);
    if (known >= 0) return known;
    if ((this.count + 1) * ID_BYTES > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes], this.#bytes.length * 2);
    if ((this.count + 1) * 2 > this.#slots.length) this.#rehash();
    this.#key.copy(this.#bytes, this.count * ID_BYTES);
    this.#enter(this.count);
    this.count += 1;
    return this.count - 1;
  }

  /** @returns -1 when it is not known, or no id */
  find(id: string): number {
    if (id.length !== ID_BYTES * 2 || this.#key.write(id, 'hex') !== ID_BYTES) return -1;
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(this.#key, 0) & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const row = this.#slots[slot]! - 1;
      if (isAt(this.#key, this.#bytes, row * ID_BYTES)) return row;
    }
    return -1;
  }

  has(id: string): boolean {
    return this.find(id) >= 0;
  }

  id(row: number): string {
    return this.#bytes.toString('hex', row * ID_BYTES, (row + 1) * ID_BYTES);
  }

  #enter(row: number): void {
    const mask = this.#slots.length - 1;
    let slot = slotOf(this.#bytes, row * ID_BYTES) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = row + 1;
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let row = 0; row < this.count; row++) this.#enter(row);
  }
}

/** A native comparison takes ten times as long. */
function isAt(id: Buffer, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < ID_BYTES; i++) if (id[i] !== bytes[at + i]) return false;
  return true;
}

function slotOf(bytes: Buffer, at: number): number {
  let hash = 0;
  for (let i = 0; i < 4; i++) hash = Math.imul(hash ^ bytes.readInt32LE(at + i * 4), SEEDS[i]!);
  return (hash ^ (hash >>> 16)) >>> 0;
}
