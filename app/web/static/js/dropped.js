// Files out of what was dropped, folders opened.

async function entriesOf(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

async function filesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, name: entry.fullPath.replace(/^\//, "") }];
  }
  const inside = await Promise.all((await entriesOf(entry)).map(filesOf));
  return inside.flat();
}

/** Every file of a drop, as {file, name}, hidden ones too: the service tells what is a slice and counts the rest. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return entries.length
    ? (await Promise.all(entries.map(filesOf))).flat()
    : [...transfer.files].map((file) => ({ file, name: file.name }));
}

/** Every file of an input, as {file, name}. */
export function picked(input) {
  return [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
}
