"""What programs write is bounded; they are not stuck, nor is the host."""

from __future__ import annotations

import anyio
import pytest

from .guest import ENV, TRUE, open_guest, until

pytestmark = pytest.mark.guest


async def test_the_beginning_of_a_flood_is_kept() -> None:
    async with open_guest(capture=1000) as guest:
        child = await guest.shell("echo first; exec yes")

        await until(lambda: child.stdout.truncated)  # type: ignore[union-attr]
        await guest.of(child, "kill")
        result = await guest.of(child, "wait")
        assert len(result.stdout) == 1000
        assert result.stdout.startswith(b"first\ny\n")
        assert (result.stdout_truncated, result.stderr_truncated) == (True, False)


async def test_a_flood_does_not_keep_a_program_from_its_end() -> None:
    async with open_guest(capture=1000) as guest:
        child = await guest.shell("head -c 500000 /dev/zero; echo done >&2")

        result = await guest.of(child, "wait")
        assert (len(result.stdout), result.stdout_truncated) == (1000, True)
        assert result.stderr == b"done\n"


async def test_a_program_can_wait_until_the_guest_reads() -> None:
    async with open_guest(capture=1000) as guest:
        script = "head -c 300000 /dev/zero | tr '\\0' x; echo end"
        child = await guest.shell(script, overflow="wait")

        name = "lifecycle#[method]child.wait-with-timeout"
        await guest.fails("timeout", name, child, 0.05)
        assert len(child.stdout.kept) <= 1000 + 65536  # type: ignore[union-attr]
        read = b""
        while more := await guest.of(child, "read-stdout", 2**32 - 1):
            read += more
        assert (len(read), read[-4:]) == (300_004, b"end\n")
        assert not (await guest.of(child, "wait")).stdout_truncated


async def test_much_goes_in_and_comes_out() -> None:
    async with open_guest() as guest:
        child = await guest.shell("exec cat", inherit_stdin=True)
        sent = bytes(range(256)) * 2000

        await guest.of(child, "write-stdin", sent)
        await guest.of(child, "close-stdin")
        assert (await guest.of(child, "wait")).stdout == sent


async def test_a_write_ends_where_nobody_reads_any_more() -> None:
    async with open_guest() as guest:
        child = await guest.shell("exec sleep 0.05", inherit_stdin=True)

        name = "lifecycle#[method]child.write-stdin"
        await guest.fails("io-error", name, child, bytes(300_000))


async def test_as_much_as_is_allowed_fits_into_the_arguments() -> None:
    async with open_guest() as guest:
        long = "x" * 60_000
        child = await guest.shell('printf %s "$1$2"', long, "y" * 60_000)

        assert await guest.output(child) == long + "y" * 60_000
        name = "lifecycle#spawn-with-environment"
        more = ["x" * 70_000, "y" * 70_000]
        await guest.fails("resource-exhausted", name, TRUE, more, [])
        await guest.fails("invalid-argument", name, TRUE, ["x"] * 1025, [])
        many = [(f"V{number}", "") for number in range(257)]
        await guest.fails("invalid-argument", name, ENV, [], many)
        child = await guest(name, TRUE, ["x"] * 1024, many[:256])
        assert (await guest.of(child, "wait")).exit_status.code == 0


async def test_a_guest_that_waits_for_output_can_be_cut() -> None:
    async with open_guest() as guest:
        child = await guest.shell("sleep 60")

        with anyio.move_on_after(0.01) as scope:
            await guest.of(child, "read-stdout", 1)
        assert scope.cancelled_caught
