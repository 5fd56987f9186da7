import numpy as np
import pytest
from hypothesis import given, strategies as st
from pyproj import Geod

from urbancast.geo.metric import Plane, distance_m, to_metres

LON, LAT = st.floats(-180, 180), st.floats(-85, 85)


@given(LON, LAT, LON, LAT)
def test_great_circle_agrees_with_the_ellipsoid_within_its_flattening(lon, lat, to_lon, to_lat):
    exact = Geod(ellps="WGS84").inv(lon, lat, to_lon, to_lat)[2]
    assert distance_m(lon, lat, to_lon=to_lon, to_lat=to_lat) == pytest.approx(exact, rel=0.006, abs=0.01)


@given(LON, LAT, LON, LAT)
def test_distance_is_the_same_both_ways(lon, lat, to_lon, to_lat):
    there = distance_m(lon, lat, to_lon=to_lon, to_lat=to_lat)
    assert there == pytest.approx(distance_m(to_lon, to_lat, to_lon=lon, to_lat=lat), abs=1e-6)


def test_antipodes_are_half_a_circumference_apart_and_not_nan():
    assert distance_m(0, 0, to_lon=180, to_lat=0) == pytest.approx(np.pi * 6_371_008.8)


def test_distances_broadcast():
    assert distance_m([0.0, 1.0], [0.0, 1.0], to_lon=0.0, to_lat=0.0).shape == (2,)


@given(LON, st.floats(-60, 60), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))
def test_a_plane_gives_back_the_degrees(lon, lat, east, north):
    plane = Plane(lon, lat)
    back = plane.to_degrees(plane.to_metres(np.array([lon + east]), np.array([lat + north])))[0]
    assert back[1] == pytest.approx(lat + north, abs=1e-7)
    assert (back[0] - lon - east + 180) % 360 == pytest.approx(180, abs=1e-7)


@given(st.floats(-60, 60), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_plane_distances_in_a_city_are_true_to_a_per_mille(lat, east, north):
    here, there = to_metres([10.0, 10.0 + east], [lat, lat + north], centre=(10.0, lat))
    exact = Geod(ellps="WGS84").inv(10.0, lat, 10.0 + east, lat + north)[2]
    assert np.hypot(*(there - here)) == pytest.approx(exact, rel=1e-3, abs=0.01)


def test_points_are_centred_on_their_mean_unless_told():
    assert to_metres([10.0, 10.2], [50.0, 50.0]).sum(axis=0)[0] == pytest.approx(0, abs=1e-6)
