// What was chosen, told from the first bytes of each file, as the service tells it.

const HEAD_BYTES = 132;
const AT_ONCE = 16;

const begins = (bytes, ...start) => start.every((value, k) => bytes[k] === value);

function kindOf(bytes, name) {
  if (/\.(nii|nii\.gz|mha|mhd|z?raw)$/i.test(name)) return "volume";
  if (begins(bytes, 0x50, 0x4b)) return "zip";
  if (begins(bytes, 0xff, 0xd8) || begins(bytes, 0x89, 0x50, 0x4e, 0x47)) return "picture";
  const mark = String.fromCharCode(...bytes.slice(128, 132));
  // Without a preamble the first element is of group 2 or 8, little endian.
  if (mark === "DICM" || begins(bytes, 2, 0) || begins(bytes, 8, 0)) return "dicom";
  return "other";
}

async function head(file) {
  try {
    return new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  } catch {
    return new Uint8Array(); // It went away since it was chosen: sending it will tell.
  }
}

/** How many files there are of each kind, as a Map. */
export async function countKinds(files) {
  const counts = new Map();
  const rest = files.values();
  const work = async () => {
    for (const { file, name } of rest) {
      const kind = kindOf(await head(file), name);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return counts;
}
