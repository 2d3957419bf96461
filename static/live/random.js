// Reproduces torch's random numbers on a CPU, for the same latents and noises as `python -m generate sample`.
//
//   const source = new Random(7);
//   const latents = source.normal(128); // equals torch.randn(128) to within a rounding of float32

const STATE = 624; // words of the Mersenne Twister (Matsumoto & Nishimura, 1998)
const SHIFT = 397;
const FEWEST = 16; // torch draws at least so many numbers in blocks, fewer one by one

export class Random {
  // `seed` is a whole number from 0 to 2^32 - 1, as of torch.Generator().manual_seed
  constructor(seed) {
    this.words = new Uint32Array(STATE);
    this.words[0] = seed;
    for (let i = 1; i < STATE; i++) {
      const before = this.words[i - 1] ^ (this.words[i - 1] >>> 30);
      this.words[i] = Math.imul(1812433253, before) + i;
    }
    this.place = STATE;
    this.spare = null; // the second number of a pair that was drawn one by one
  }

  // 32 random bits
  word() {
    if (this.place === STATE) this.turn();
    let y = this.words[this.place++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  turn() {
    const words = this.words;
    for (let i = 0; i < STATE; i++) {
      const y = (words[i] & 0x80000000) | (words[(i + 1) % STATE] & 0x7fffffff);
      words[i] = words[(i + SHIFT) % STATE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.place = 0;
  }

  // `count` standard normal numbers, as torch.randn(count)
  normal(count) {
    const numbers = new Float32Array(count);
    if (count < FEWEST) {
      for (let i = 0; i < count; i++) numbers[i] = this.single();
      return numbers;
    }
    for (let i = 0; i < count; i++) numbers[i] = (this.word() & 0xffffff) / 0x1000000;
    for (let start = 0; start + FEWEST <= count; start += FEWEST) boxMuller(numbers, start);
    if (count % FEWEST) {
      // torch draws the last block anew, also what it shares with the one before
      for (let i = count - FEWEST; i < count; i++) numbers[i] = (this.word() & 0xffffff) / 0x1000000;
      boxMuller(numbers, count - FEWEST);
    }
    return numbers;
  }

  // one standard normal number from two uniform ones of 53 bits
  single() {
    if (this.spare !== null) {
      const spare = this.spare;
      this.spare = null;
      return spare;
    }
    const [angle, length] = [this.uniform53(), this.uniform53()];
    const radius = Math.sqrt(-2 * Math.log1p(-length));
    this.spare = radius * Math.sin(2 * Math.PI * angle);
    return radius * Math.cos(2 * Math.PI * angle);
  }

  uniform53() {
    const [high, low] = [this.word(), this.word()];
    return ((high & 0x1fffff) * 2 ** 32 + low) / 2 ** 53;
  }
}

// 16 uniform numbers become normal in place: of a pair, eight places apart, one gives the radius and one the angle
// (Box & Muller, "A Note on the Generation of Random Normal Deviates", 1958).
function boxMuller(numbers, start) {
  const half = FEWEST / 2;
  for (let i = start; i < start + half; i++) {
    const radius = Math.fround(Math.sqrt(-2 * Math.log(Math.fround(1 - numbers[i]))));
    const angle = Math.fround(2 * Math.PI * numbers[i + half]);
    numbers[i] = radius * Math.cos(angle);
    numbers[i + half] = radius * Math.sin(angle);
  }
}
