def test_a(host):
    assert host.file("/a").exists
